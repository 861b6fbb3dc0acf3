-- want: error too many elements
return table.concat({}, '', 1, 1 << 62)
