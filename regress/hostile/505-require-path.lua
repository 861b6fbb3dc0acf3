-- want: error no module
require('/etc/passwd')
