// SPDX-License-Identifier: GPL-2.0-only
/// A run of PTEs that maps consecutive pages is written, write-protected or
/// cleared by one call: set_ptes(), wrprotect_ptes(), get_and_clear_ptes(),
/// clear_full_ptes(). An architecture may do that cheaper than entry by entry,
/// and knows how to step from one page to the next.
///
//# A loop that decides by what it sees is not reported: it may have
//# to. Nor is one that writes the same value, or a swap entry, into all PTEs.
//# Patch mode rewrites loops that do nothing else, and after which what they
//# stepped through is not used.
///
// Confidence: High
// Options: --no-includes --include-headers
// Keywords: set_pte_at, set_ptes, wrprotect_ptes, clear_full_ptes

virtual patch
virtual context
virtual org
virtual report

@initialize:python@
@@

# The functions for runs may step through them.
OWNERS = ("set_ptes", "wrprotect_ptes", "get_and_clear_ptes", "clear_full_ptes",
          "clear_young_dirty_ptes")

RUN = {"ptep_set_wrprotect": "wrprotect_ptes",
       "ptep_get_and_clear": "get_and_clear_ptes",
       "ptep_get_and_clear_full": "clear_full_ptes"}

def outside(positions):
    return all(p.current_element not in OWNERS for p in positions)

batched = set()

# Nor is a function for runs asked to look for them.
def alone(positions):
    return all((p.file, p.current_element) not in batched and
               p.current_element not in ("protect_ptes", "reuse_ptes") for p in positions)

// ----------------------------------------------------------------------------

@by_index depends on patch@
identifier fn, i;
position q : script:python() { outside(q) };
expression n, mm, addr, ptep, E, prot, full;
@@

fn@q(...)
{
<+...
(
- for (i = 0; i < n; i++)
-	set_pte_at(mm, addr + i * PAGE_SIZE, ptep + i, mk_pte(E + i, prot));
+ set_ptes(mm, addr, ptep, mk_pte(E, prot), n);
|
- for (i = 0; i < n; i++)
-	set_pte_at(mm, addr + i * PAGE_SIZE, ptep + i, pfn_pte(E + i, prot));
+ set_ptes(mm, addr, ptep, pfn_pte(E, prot), n);
|
- for (i = 0; i < n; i++)
-	ptep_set_wrprotect(mm, addr + i * PAGE_SIZE, ptep + i);
+ wrprotect_ptes(mm, addr, ptep, n);
|
- for (i = 0; i < n; i++)
-	ptep_get_and_clear(mm, addr + i * PAGE_SIZE, ptep + i);
+ get_and_clear_ptes(mm, addr, ptep, n);
|
- for (i = 0; i < n; i++)
-	ptep_get_and_clear_full(mm, addr + i * PAGE_SIZE, ptep + i, full);
+ clear_full_ptes(mm, addr, ptep, n, full);
)
...+>
}

@by_step depends on patch@
identifier fn, i, ptep, addr, pte;
position q : script:python() { outside(q) };
expression n, mm, full;
@@

fn@q(...)
{
... when any
(
- for (i = 0; i < n; i++, ptep++, addr += PAGE_SIZE) {
-	set_pte_at(mm, addr, ptep, pte);
-	pte = pte_next_pfn(pte);
- }
+ set_ptes(mm, addr, ptep, pte, n);
|
- for (i = 0; i < n; i++, ptep++, addr += PAGE_SIZE)
-	ptep_set_wrprotect(mm, addr, ptep);
+ wrprotect_ptes(mm, addr, ptep, n);
|
- for (i = 0; i < n; i++, ptep++, addr += PAGE_SIZE)
-	ptep_get_and_clear_full(mm, addr, ptep, full);
+ clear_full_ptes(mm, addr, ptep, n, full);
)
... when != ptep
    when != addr
    when != pte
}

// A counter that counts nothing any more.
@depends on by_index@
identifier by_index.fn, by_index.i;
type T;
@@

fn(...)
{
...
- T i;
... when != i
}

@depends on by_step@
identifier by_step.fn, by_step.i;
type T;
@@

fn(...)
{
...
- T i;
... when != i
}

// ----------------------------------------------------------------------------

// Loops with a call that may be one of many, and those of them that decide.
@loops exists@
position l;
@@

for@l (...;...;...) {
	... when any
	\(set_pte_at\|ptep_set_wrprotect\|ptep_get_and_clear\|ptep_get_and_clear_full\)(...)
	... when any
}

@decides exists@
statement S1, S2;
position loops.l, d;
@@

for@l@d (...;...;...) {
	... when any
(
	if (...) S1 else S2
|
	if (...) S1
)
	... when any
}

// Written: the value goes from page to page, as the place does.
@set depends on !patch exists@
expression ptep, mm, addr, E, V;
identifier i;
position s : script:python() { outside(s) };
position l != decides.d;
@@

(
for@l (...;...; <+... i++ ...+>) {
	... when any
	set_pte_at@s(mm, addr, <+... i ...+>, <+... \(mk_pte\|pfn_pte\)(E + i, ...) ...+>);
	... when any
}
|
for@l (...;...; <+... i++ ...+>)
	set_pte_at@s(mm, addr, <+... i ...+>, <+... \(mk_pte\|pfn_pte\)(E + i, ...) ...+>);
|
for@l (...;...;...) {
	... when any
	set_pte_at@s(mm, addr, ptep, V);
	... when any
	V = \(pte_next_pfn\|pte_add_step\)(V, ...);
	... when any
}
|
for@l (...;...;...) {
	... when any
	set_pte_at@s(mm, addr, ptep, <+... \(mk_pte\|pfn_pte\)(V, ...) ...+>);
	... when any
	V++;
	... when any
}
|
for@l (...;...; <+... V++ ...+>) {
	... when any
	set_pte_at@s(mm, addr, ptep, <+... \(mk_pte\|pfn_pte\)(V, ...) ...+>);
	... when any
}
)

// There is no pattern for do-while: from the call to the steps.
@checked depends on !patch exists@
expression ptep;
statement S;
position k;
@@

ptep++
... when != set_pte_at(...)
if (...) S
... when != set_pte_at(...)
set_pte_at@k(..., ptep, ...)

@set_while depends on !patch@
expression ptep, mm, addr, V;
position sw : script:python() { outside(sw) };
position q != {set.s, checked.k};
@@

set_pte_at@sw@q(mm, addr, ptep, <+... \(mk_pte\|pfn_pte\)(V, ...) ...+>);
... when != ptep = ...
V++
... when != ptep = ...
ptep++

@unset depends on !patch exists@
identifier f = {ptep_set_wrprotect, ptep_get_and_clear, ptep_get_and_clear_full};
expression mm, addr, E;
identifier ptep, i;
position u : script:python() { outside(u) };
position l != decides.d;
@@

(
for@l (...;...; <+... i++ ...+>) {
	... when any
	f@u(mm, addr, \(E + i\|&E[i]\), ...)
	... when any
}
|
for@l (...;...; <+... i++ ...+>)
	f@u(mm, addr, \(E + i\|&E[i]\), ...);
|
for@l (...;...; <+... ptep++ ...+>) {
	... when any
	f@u(mm, addr, ptep, ...)
	... when any
}
|
for@l (...;...; <+... ptep++ ...+>)
	f@u(mm, addr, ptep, ...);
)

// From PTE to PTE of a process, by the functions that leave hardware time to
// write, and nobody looks for a run.
@looks exists@
identifier run = {folio_pte_batch, copy_folio_ptes, zap_folio_ptes, protect_ptes,
		lazyfree_folio_ptes, cold_folio_ptes, unmap_folio_ptes, migrate_folio_ptes,
		restore_folio_ptes,
		folio_remove_rmap_ptes, folio_try_dup_anon_rmap_ptes};
position b;
@@

run@b(...)

@script:python@
b << looks.b;
@@

batched.update((p.file, p.current_element) for p in b)

@kernel@
symbol init_mm;
position k;
@@

ptep_get_and_clear@k(&init_mm, ...)

@walk depends on !patch exists@
typedef pte_t;
pte_t *ptep;
identifier f = {ptep_modify_prot_start, ptep_get_and_clear};
position w : script:python() { alone(w) };
position q != {unset.u, kernel.k};
@@

f@w@q(...)
... when any
    when != ptep = ...
ptep++

@depends on context@
identifier walk.f;
position walk.w;
@@

* f@w(...)

@depends on context@
position set.s;
@@

* set_pte_at@s(...)

@depends on context@
position set_while.sw;
@@

* set_pte_at@sw(...)

@depends on context@
identifier unset.f;
position unset.u;
@@

* f@u(...)

// ----------------------------------------------------------------------------

@script:python depends on org@
p << set.s;
@@

coccilib.org.print_todo(p[0], "WARNING set_pte_at() for each page of a run, use set_ptes()")

@script:python depends on org@
p << set_while.sw;
@@

coccilib.org.print_todo(p[0], "WARNING set_pte_at() for each page of a run, use set_ptes()")

@script:python depends on org@
p << unset.u;
f << unset.f;
@@

coccilib.org.print_todo(p[0], "WARNING %s() for each page of a run, use %s()" % (f, RUN[f]))

@script:python depends on report@
p << set.s;
@@

coccilib.report.print_report(p[0], "WARNING: set_pte_at() for each page of a run, use set_ptes()")

@script:python depends on report@
p << set_while.sw;
@@

coccilib.report.print_report(p[0], "WARNING: set_pte_at() for each page of a run, use set_ptes()")

@script:python depends on report@
p << unset.u;
f << unset.f;
@@

coccilib.report.print_report(p[0], "WARNING: %s() for each page of a run, use %s()" % (f, RUN[f]))

@script:python depends on org@
p << walk.w;
f << walk.f;
@@

coccilib.org.print_todo(p[0], "WARNING %s() for each PTE, look for runs: folio_pte_batch()" % f)

@script:python depends on report@
p << walk.w;
f << walk.f;
@@

coccilib.report.print_report(p[0], "WARNING: %s() for each PTE, look for runs: folio_pte_batch()" % f)
