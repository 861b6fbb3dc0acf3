-- want: error read-only
table.sort(string)
