-- want: pass
assert(re.match('a', ('('):rep(30) .. 'a' .. (')'):rep(30))[30] == 'a')
