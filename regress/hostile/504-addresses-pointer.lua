-- want: pass
assert(not pcall(string.format, '%p', {}))
assert(not pcall(string.format, '%%%-5p', 'x'))
assert(('%%p %s'):format(1) == '%p 1')
