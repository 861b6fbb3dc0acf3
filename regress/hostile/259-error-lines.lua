-- want: error
error('a\r\n250 ok\0b\27[0m')
