-- want: error a repeat {m,n} inside another
return re.match('a', '(a{1,255}){1,255}')
