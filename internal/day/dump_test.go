package day
import ("testing";"os";"strings";"slices";"fmt";"math/rand/v2")
func TestDump(t *testing.T){
 p:=newPlan(sizeOf(1),2026,6,rand.New(rand.NewPCG(1,1)))
 f,_:=os.Create("/dev/shm/names.txt"); defer f.Close()
 for _,x:=range p.families { w:=strings.Fields(strings.ToLower(x.name)); two:=slices.Clone(w[:2]); slices.Sort(two); fmt.Fprintln(f,strings.Join(two," ")); fmt.Fprintln(f,strings.Join(w," ")) }
 t.Log(len(p.families),p.sakes,len(p.people))
 n:=0; for _,b:=range p.buses {n+=len(b)}; t.Log("batches",n)
}
