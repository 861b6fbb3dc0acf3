-- want: error assign
pairs = function() return error end
