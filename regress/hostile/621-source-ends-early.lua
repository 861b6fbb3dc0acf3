-- want: refused <eof> expected
end
local _ENV = nil
return function()
