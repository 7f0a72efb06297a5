// PocketBase with three open collections, as a contestant of `./site bench live`.
package main

import (
	"log"

	"github.com/pocketbase/pocketbase"
	"github.com/pocketbase/pocketbase/core"
)

func main() {
	app := pocketbase.New()
	app.OnServe().BindFunc(func(serve *core.ServeEvent) error {
		for _, name := range []string{"comments", "views", "readers"} {
			if err := collection(serve.App, name); err != nil {
				return err
			}
		}
		return serve.Next()
	})
	if err := app.Start(); err != nil {
		log.Fatal(err)
	}
}

// collection makes one that everyone may read and write, where it is not there.
func collection(app core.App, name string) error {
	if _, err := app.FindCollectionByNameOrId(name); err == nil {
		return nil
	}
	open := ""
	made := core.NewBaseCollection(name)
	made.ListRule, made.ViewRule, made.CreateRule = &open, &open, &open
	made.Fields.Add(&core.TextField{Name: "text"})
	return app.Save(made)
}
