-- want: end
assert(string.rep)
_ENV = {}
x = 1
