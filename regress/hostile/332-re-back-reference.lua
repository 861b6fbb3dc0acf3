-- want: error back-references
return re.match('aa', '(a)\\1')
