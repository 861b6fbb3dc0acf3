-- want: error a??250 ok
error('a\r\n250 ok\0b\27[0m')
