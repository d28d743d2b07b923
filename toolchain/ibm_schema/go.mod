module hdinfra/toolchain/ibm_schema

go 1.24
