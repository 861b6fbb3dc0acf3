-- want: error not a string
error(function() while true do end end)
