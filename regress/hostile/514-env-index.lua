-- want: pass
local _ENV = { error = error, assert = assert, pairs = pairs, e = _ENV }
assert(io == nil)
assert(e.io == nil)
