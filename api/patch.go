package api

import "github.com/oapi-codegen/nullable"

// Set gives a member of a PATCH a new value. A member that is left out stays as it is.
func Set[T any](value T) nullable.Nullable[T] { return nullable.NewNullableWithValue(value) }

// Clear takes the value of a member away: it is sent as null.
func Clear[T any]() nullable.Nullable[T] { return nullable.NewNullNullable[T]() }
