-- want: end
return _ENV
--*100000 ._ENV
