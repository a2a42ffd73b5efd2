package board

import "github.com/google/uuid"

// Elsewhere makes the board's view of an organisation one of another database, in which nobody was held.
func (b *Board) Elsewhere(organisation uuid.UUID) {
	v := b.view(organisation)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.database = "7560000000000000000.00000001"
	clear(v.people)
	v.answers = nil
}
