package main

import (
	"os"

	"github.com/qorgau/qorgau/pkg/names/lab"
)

func main() { lab.Scratch(os.Args[1:]) }
