-- want: error no module
require('msys\0.beta')
