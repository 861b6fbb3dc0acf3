-- want: refused
end
local _ENV = nil
return function()
