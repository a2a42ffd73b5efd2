package watch_test

import (
	"testing"

	"github.com/qorgau/qorgau/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
