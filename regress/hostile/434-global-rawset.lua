-- want: end
rawset(_ENV, 'string', { rep = error })
assert(rawget(_ENV, 'string') == nil)
