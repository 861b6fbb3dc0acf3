-- want: error read-only
table.remove(string)
