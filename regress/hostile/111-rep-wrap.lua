-- want: error resulting string too large
return string.rep(('x'):rep(65536), math.maxinteger, 'abc')
