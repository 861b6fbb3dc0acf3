-- want: error wrap around
table.move({}, 1, 10, math.maxinteger)
