-- want: pass
local e = _ENV
_ENV = { string = 1 }
string = 2
e.assert(e.string.rep)
