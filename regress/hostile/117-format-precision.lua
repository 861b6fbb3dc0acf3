-- want: error invalid conversion
return string.format('%.100000000f', 1)
