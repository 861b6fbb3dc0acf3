-- want: error no module
require('io')
