-- want: pass
assert(re.match(('a'):rep(1024), '((((((a*)*)*)*)*)*)*b') == nil)
assert(re.match('a', 'a' .. ('+'):rep(255)))
