-- want: error inside
return ('a'):gsub('a', function() error('inside') end)
