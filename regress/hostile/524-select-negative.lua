-- want: error out of range
return select(math.mininteger, 1)
