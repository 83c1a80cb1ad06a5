package token

import "math/big"

// weakPrimes reports whether an RSA modulus has the fingerprint of a library that made primes of powers of 65537 (CVE-2017-15361): modulo each of
// some small primes it is such a power itself. Its factors can be found.
func weakPrimes(n *big.Int) bool {
	var m big.Int
	for _, p := range []int64{11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157} {
		rest := m.Mod(n, big.NewInt(p)).Int64()
		power := int64(1)
		for range p {
			if power == rest {
				break
			}
			power = power * 65537 % p
		}
		if power != rest {
			return false
		}
	}
	return true
}
