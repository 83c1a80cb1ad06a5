package strategies

import (
	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/strategies/ias"
	"cds/strategies/xsuaa"
)

// orPlatform makes kind jwt behave as xsuaa or ias where the section has their credentials, as in CAP, unless its keys are configured (jwt, provider).
func orPlatform(generic New) New {
	return func(cfg config.Section) (auth.Strategy, error) {
		if cfg.Sub("jwt") == nil && cfg.Str("provider") == "" {
			switch {
			case xsuaa.Fits(cfg):
				return xsuaa.New(cfg)
			case ias.Fits(cfg):
				return ias.New(cfg)
			}
		}
		return generic(cfg)
	}
}
