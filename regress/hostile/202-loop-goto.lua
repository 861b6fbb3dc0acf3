-- want: cpu
::again:: goto again
