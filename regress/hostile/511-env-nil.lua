-- want: error nil value
_ENV = nil
return x
