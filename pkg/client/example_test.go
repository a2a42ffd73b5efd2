package client_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/pkg/client"
)

// A lawyer opens a session, logs two detainees, and corrects one of them.
func Example() {
	ctx := context.Background()
	c, err := client.New("https://qorgau.example", client.Options{Language: "kk", UserAgent: "door-app/1.4"})
	if err != nil {
		log.Fatal(err)
	}
	lawyer, err := c.OpenSession(ctx, "7KQ2-M9TD-XA4P", client.Installation{Name: "Телефон Айгүл", Platform: api.PlatformAndroid})
	if err != nil {
		log.Fatal(err)
	}

	arman, unknown := "Ахметов Арман Серікұлы", "женщина, около 30, красное пальто"
	batch := api.DetentionBatch{
		DepartmentID: uuid.MustParse("0198f3b2-6c1a-7d30-9a41-5b0c7de1f2b1"),
		Detainees:    []api.Detainee{{Name: &arman}, {Description: &unknown}},
	}
	logged, err := lawyer.Log(ctx, &batch) // repeated by itself on a bad connection, without a second effect
	if err != nil {
		log.Fatal(err)
	}

	id := logged.Results[0].DetentionID
	read, err := lawyer.GetDetentionWithResponse(ctx, id, nil)
	if err != nil {
		log.Fatal(err)
	}
	etag, corrected := client.ETag(read.HTTPResponse), "Ахметов Арман Серикович"
	_, err = lawyer.PatchDetentionWithResponse(ctx, id, &api.PatchDetentionParams{IfMatch: &etag},
		api.DetentionPatch{AlsoKnownAs: api.Set([]string{corrected}), Note: api.Clear[string]()})
	if client.Is(err, api.ProblemCodeStale) {
		fmt.Println("someone else corrected it first: show both values")
	}
}

// A relative starts a search without an account and reads what is known.
func ExampleClient_StartSearch() {
	server := httptest.NewServer(http.HandlerFunc(standIn))
	defer server.Close()

	ctx := context.Background()
	c, err := client.New(server.URL, client.Options{Language: "kk"})
	if err != nil {
		log.Fatal(err)
	}
	key := client.NewSearchKey() // store it on the phone before anything is sent
	relative, err := c.StartSearch(ctx, api.SearchCreate{ClientID: key.ClientID, Secret: key.Secret, Name: "Akhmetov Arman"})
	if err != nil {
		log.Fatal(err)
	}
	known, _, err := relative.Read(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range known.Matches {
		fmt.Println(m.Tier, m.Status, m.Department.Name)
	}
	// Output: certain held Алмалы ауданының Полиция басқармасы
}

// standIn answers like a server that has found someone.
func standIn(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		created(w)
		return
	}
	reply(w, http.StatusOK, api.Search{Matches: []api.SearchMatch{{Tier: api.MatchTierCertain, Status: api.SearchMatchStatusHeld,
		Department: &api.DepartmentTold{Name: "Алмалы ауданының Полиция басқармасы"}}}})
}
