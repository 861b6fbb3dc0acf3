-- want: error
_ENV = nil
return x
