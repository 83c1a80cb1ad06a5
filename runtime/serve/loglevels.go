package serve

import (
	"log/slog"
	"strings"
)

// silent is above all levels.
const silent = slog.Level(100)

// logLevels reads log.levels of the configuration ({ "shop": "debug", "*": "warn" }) and the environment variable DEBUG, a list of modules to be
// logged in full; "all" and "*" stand for all of them.
func (s *Server) logLevels() (map[string]slog.Level, error) {
	out := map[string]slog.Level{}
	sec := s.Config.Sub("log.levels")
	for _, module := range sec.Keys() {
		level, err := logLevel(sec.Str(module))
		if err != nil {
			return nil, &StartError{"log-level", "log.levels." + module + ": " + err.Error(), "levels are debug, info, warn, error and silent"}
		}
		out[module] = level
	}
	for _, module := range strings.Split(s.opt.variable("DEBUG"), ",") {
		switch module = strings.TrimSpace(module); module {
		case "":
		case "all", "y", "true":
			out["*"] = slog.LevelDebug
		default:
			out[module] = slog.LevelDebug
		}
	}
	return out, nil
}

func logLevel(text string) (slog.Level, error) {
	if strings.EqualFold(text, "silent") {
		return silent, nil
	}
	if strings.EqualFold(text, "trace") {
		return slog.LevelDebug, nil
	}
	var l slog.Level
	err := l.UnmarshalText([]byte(text))
	return l, err
}
