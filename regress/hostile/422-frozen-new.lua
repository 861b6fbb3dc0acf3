-- want: error read-only
table.foo = 1
