-- want: error 256 octets
return re.match('a', ('a'):rep(257))
