-- want: error x
error('x', 1 << 40)
