-- want: error repeats make it too large
return re.match('a', ('(a|b){1,255}'):rep(10))
