-- want: error
return select(math.mininteger, 1)
