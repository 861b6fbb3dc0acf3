-- want: error
error()
