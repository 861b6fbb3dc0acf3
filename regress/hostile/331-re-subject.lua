-- want: error 1024 octets
return re.match(('a'):rep(1025), 'a')
