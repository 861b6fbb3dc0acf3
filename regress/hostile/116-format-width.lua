-- want: error invalid conversion
return string.format('%100000000d', 1)
