-- want: error not a string
error()
