package token

// ParseClaims reads claims that came otherwise than in a token, such as from a userinfo endpoint: strictly, and with the same checks of types. They are as
// good as the channel that they came by.
func ParseClaims(b []byte) (Claims, error) {
	m, err := decodeObject(b)
	if err != nil {
		return nil, refuse("token-malformed", "no strict JSON object: %v", err)
	}
	c := Claims(m)
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, nil
}
