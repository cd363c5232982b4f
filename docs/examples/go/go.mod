module readledger

go 1.19
