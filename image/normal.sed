# The name of a function as it is in every build: without the hashes of crates and of generics, and without LLVM's numbers.
s/Cs[0-9a-zA-Z]+_/C/g
s/17h[0-9a-f]{16}E/E/
s/\.llvm\.[0-9]+$//
