-- want: error more than 32 groups
return re.match('a', ('(a)'):rep(40))
