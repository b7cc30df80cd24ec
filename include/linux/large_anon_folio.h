/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Large folios for anonymous memory, mapped by PTEs.
 *
 * A set of folio orders is an unsigned long with bit N set for order N
 * (2^N pages). The smallest large order is 2, because the deferred-split list
 * lives in the second tail page; the largest is the order of a PMD leaf.
 *
 * Everything here is a no-op, or stock behaviour, without
 * CONFIG_LARGE_ANON_FOLIO. Documentation/mm/large_anon_folio.rst explains the
 * design, Documentation/admin-guide/mm/large_anon_folio.rst the use.
 */
#ifndef _LINUX_LARGE_ANON_FOLIO_H
#define _LINUX_LARGE_ANON_FOLIO_H

#include <linux/mm.h>
#include <linux/mm_types.h>
#include <linux/percpu.h>

struct kobject;
struct mmu_gather;
struct page;
struct vm_area_struct;
struct vm_fault;

#ifndef arch_wants_pte_order
/**
 * arch_wants_pte_order - The folio order that the hardware likes for PTE-mapped
 *			  memory.
 *
 * An architecture defines its own where a naturally aligned run of PTEs costs
 * fewer TLB entries than its pages (arm64: one contiguous-PTE block).
 *
 * Context: Any.
 * Return: An order from 2 to the PMD's order less one, or -1 for no wish.
 */
static inline int arch_wants_pte_order(void)
{
	return -1;
}
#endif

/**
 * enum anon_folio_policy - What a size that is set to "inherit" means.
 * @ANON_FOLIO_STRICT: Large and PMD-sized folios alike go where the global file
 *	and the VMA's hint would put a PMD-sized one. The default.
 * @ANON_FOLIO_UNHINTED: As @ANON_FOLIO_STRICT, and with the global file at
 *	"madvise" memory without a hint gets folios up to 64 KiB.
 * @ANON_FOLIO_INDEPENDENT: As @ANON_FOLIO_UNHINTED, and with the global file at
 *	"never" all memory gets folios up to 64 KiB.
 * @ANON_FOLIO_SMALL: As @ANON_FOLIO_STRICT, but never a PMD-sized folio.
 * @NR_ANON_FOLIO_POLICIES: Number of policies.
 *
 * From the four tables of the review of the LARGE_ANON_FOLIO fault path.
 */
enum anon_folio_policy {
	ANON_FOLIO_STRICT,
	ANON_FOLIO_UNHINTED,
	ANON_FOLIO_INDEPENDENT,
	ANON_FOLIO_SMALL,
	NR_ANON_FOLIO_POLICIES,
};

/**
 * enum anon_folio_enabled - Values of hugepages-<size>kB/enabled.
 * @ANON_FOLIO_ALWAYS: The size is used wherever it is not forbidden.
 * @ANON_FOLIO_INHERIT: The global file, the VMA's hint and the policy decide.
 * @ANON_FOLIO_MADVISE: The size is used in VMAs with MADV_HUGEPAGE.
 * @ANON_FOLIO_NEVER: The size is not used.
 * @NR_ANON_FOLIO_ENABLED: Number of values.
 */
enum anon_folio_enabled {
	ANON_FOLIO_ALWAYS,
	ANON_FOLIO_INHERIT,
	ANON_FOLIO_MADVISE,
	ANON_FOLIO_NEVER,
	NR_ANON_FOLIO_ENABLED,
};

/**
 * struct anon_folio_settings - All that the administrator decides, at one time.
 * @always: Orders whose size is set to "always".
 * @inherit: Orders whose size is set to "inherit".
 * @madvise: Orders whose size is set to "madvise". An order that is in none of
 *	the three sets is at "never".
 * @global: The global file: ANON_FOLIO_ALWAYS, ANON_FOLIO_MADVISE or
 *	ANON_FOLIO_NEVER.
 * @policy: What "inherit" means.
 */
struct anon_folio_settings {
	unsigned long always;
	unsigned long inherit;
	unsigned long madvise;
	enum anon_folio_enabled global;
	enum anon_folio_policy policy;
};

/**
 * enum mthp_stat_item - Counters of one folio size.
 * @MTHP_STAT_ANON_FAULT_ALLOC: Faults that mapped this size.
 * @MTHP_STAT_ANON_FAULT_FALLBACK: Faults that tried this size and then a
 *	smaller one.
 * @MTHP_STAT_ANON_FAULT_FALLBACK_CHARGE: Of those, the ones that failed at the
 *	memcg charge.
 * @MTHP_STAT_SWPOUT: Folios swapped out in one piece.
 * @MTHP_STAT_SWPOUT_FALLBACK: Folios split before they were swapped out.
 * @MTHP_STAT_SPLIT: Folios split.
 * @MTHP_STAT_SPLIT_FAILED: Splits that failed.
 * @MTHP_STAT_SPLIT_DEFERRED: Folios put on the deferred-split queue.
 * @MTHP_STAT_NR_ANON: Anonymous folios that exist.
 * @MTHP_STAT_NR_ANON_PARTIALLY_MAPPED: Anonymous folios on the deferred-split
 *	queue.
 * @NR_MTHP_STATS: Number of counters.
 *
 * Names and meaning are mainline 6.12's.
 */
enum mthp_stat_item {
	MTHP_STAT_ANON_FAULT_ALLOC,
	MTHP_STAT_ANON_FAULT_FALLBACK,
	MTHP_STAT_ANON_FAULT_FALLBACK_CHARGE,
	MTHP_STAT_SWPOUT,
	MTHP_STAT_SWPOUT_FALLBACK,
	MTHP_STAT_SPLIT,
	MTHP_STAT_SPLIT_FAILED,
	MTHP_STAT_SPLIT_DEFERRED,
	MTHP_STAT_NR_ANON,
	MTHP_STAT_NR_ANON_PARTIALLY_MAPPED,
	NR_MTHP_STATS,
};

#ifdef CONFIG_LARGE_ANON_FOLIO

/* The smallest order whose folios can be on the deferred-split queue */
#define ANON_FOLIO_MIN_ORDER	2

/* Orders that PTEs map, and with them the order that a PMD maps */
#define THP_ORDERS_PTE_ANON	(BIT(HPAGE_PMD_ORDER) - BIT(ANON_FOLIO_MIN_ORDER))
#define THP_ORDERS_ALL_ANON	(THP_ORDERS_PTE_ANON | BIT(HPAGE_PMD_ORDER))

/* Size of a table by order */
#define NR_ANON_FOLIO_ORDERS	(HPAGE_PMD_ORDER + 1)

/*
 * The orders at each setting but "never". Written under
 * huge_anon_orders_lock, read without it: an order that moves from one set to
 * another is in both for a moment, which is as good as either.
 */
extern unsigned long huge_anon_orders_always;
extern unsigned long huge_anon_orders_inherit;
extern unsigned long huge_anon_orders_madvise;
extern enum anon_folio_policy anon_folio_policy;

/**
 * highest_order - The largest order of a set.
 * @orders: Set of orders.
 *
 * Context: Any.
 * Return: The order, or -1 if the set is empty.
 */
static inline int highest_order(unsigned long orders)
{
	return fls_long(orders) - 1;
}

/**
 * next_order - Takes the largest order out of a set.
 * @orders: Set of orders.
 * @prev: The largest order in @orders.
 *
 * Context: Any.
 * Return: The largest order left, or -1 if none is.
 */
static inline int next_order(unsigned long *orders, int prev)
{
	*orders &= ~BIT(prev);
	return highest_order(*orders);
}

unsigned long anon_folio_default_orders(int wanted);
unsigned long anon_folio_orders_by_settings(const struct anon_folio_settings *settings,
					    unsigned long vm_flags);
void anon_folio_read_settings(struct anon_folio_settings *settings);
unsigned long anon_folio_orders(struct vm_area_struct *vma,
				unsigned long vm_flags);
unsigned long thp_vma_suitable_orders(struct vm_area_struct *vma,
				      unsigned long addr, unsigned long orders);
bool anon_folio_eligible(struct vm_area_struct *vma);
void deferred_split_if_partly_mapped(struct folio *folio);
bool pte_range_none(pte_t *pte, int nr_pages);
unsigned long anon_fault_orders(struct vm_fault *vmf);
struct folio *alloc_anon_folio(struct vm_fault *vmf, unsigned long orders);
vm_fault_t __do_anonymous_large_folio(struct vm_fault *vmf);

/**
 * do_anonymous_large_folio - Serve an anonymous fault with a PTE-mapped folio.
 * @vmf: The fault: its page table exists, vmf->pte is not mapped yet.
 *
 * Costs three loads while no size below the PMD's is enabled.
 *
 * Context: mmap_lock held for reading, the VMA has its anon_vma. May sleep.
 * Return: VM_FAULT_FALLBACK if a single page has to serve the fault, else the
 * result of the fault.
 */
static inline vm_fault_t do_anonymous_large_folio(struct vm_fault *vmf)
{
	if (!((READ_ONCE(huge_anon_orders_always) |
	       READ_ONCE(huge_anon_orders_inherit) |
	       READ_ONCE(huge_anon_orders_madvise)) & THP_ORDERS_PTE_ANON))
		return VM_FAULT_FALLBACK;

	return __do_anonymous_large_folio(vmf);
}

void huge_anon_order_set(int order, enum anon_folio_enabled enabled);
enum anon_folio_enabled huge_anon_order_get(int order);

/**
 * hugepage_pmd_enabled - Can any memory get PMD-sized folios?
 *
 * Decides whether khugepaged has anything to do: by the global file, or by a
 * PMD size that is set to "always" or "madvise" by name.
 *
 * Context: Any.
 * Return: True if some can.
 */
static inline bool hugepage_pmd_enabled(void)
{
	if (!has_transparent_hugepage())
		return false;
	return hugepage_flags_enabled() ||
	       ((READ_ONCE(huge_anon_orders_always) |
		 READ_ONCE(huge_anon_orders_madvise)) & BIT(HPAGE_PMD_ORDER));
}

/**
 * struct mthp_stat - One CPU's share of the counters.
 * @stats: By order, then by counter. A share can be negative: a folio may be
 *	freed on another CPU than it was allocated on.
 */
struct mthp_stat {
	unsigned long stats[NR_ANON_FOLIO_ORDERS][NR_MTHP_STATS];
};

DECLARE_PER_CPU(struct mthp_stat, mthp_stats);

/**
 * mod_mthp_stat - Add to a counter of a folio size.
 * @order: Order of the folio; orders that have no counters are left out.
 * @item: Which counter.
 * @delta: What to add, may be negative.
 *
 * Context: Any.
 */
static inline void mod_mthp_stat(int order, enum mthp_stat_item item, int delta)
{
	if (order < ANON_FOLIO_MIN_ORDER || order > HPAGE_PMD_ORDER)
		return;
	this_cpu_add(mthp_stats.stats[order][item], delta);
}

unsigned long sum_mthp_stat(int order, enum mthp_stat_item item);

int large_anon_folio_init(struct kobject *hugepage_kobj);
void large_anon_folio_exit(void);

#else /* !CONFIG_LARGE_ANON_FOLIO */

static inline vm_fault_t do_anonymous_large_folio(struct vm_fault *vmf)
{
	return VM_FAULT_FALLBACK;
}

static inline unsigned long anon_folio_orders(struct vm_area_struct *vma,
					      unsigned long vm_flags)
{
	return 0;
}

static inline bool anon_folio_eligible(struct vm_area_struct *vma)
{
	return false;
}

static inline void deferred_split_if_partly_mapped(struct folio *folio)
{
}

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
static inline bool hugepage_pmd_enabled(void)
{
	return hugepage_flags_enabled();
}
#endif

static inline void mod_mthp_stat(int order, enum mthp_stat_item item, int delta)
{
}

static inline int large_anon_folio_init(struct kobject *hugepage_kobj)
{
	return 0;
}

static inline void large_anon_folio_exit(void)
{
}

#endif /* CONFIG_LARGE_ANON_FOLIO */

/**
 * folio_has_pte_runs - Whether to look for a run of PTEs.
 * @folio: A folio that a PTE maps.
 *
 * Context: The page table lock is held.
 * Return: True if the folio is large and this kernel batches.
 */
static inline bool folio_has_pte_runs(struct folio *folio)
{
	return IS_ENABLED(CONFIG_LARGE_ANON_FOLIO) && folio_test_large(folio);
}

/**
 * folio_has_anon_pte_runs - Whether to look for a run of anonymous memory.
 * @folio: A folio that a PTE maps, not hugetlb's.
 *
 * Context: The page table lock is held.
 * Return: True if the folio is large and anonymous, and this kernel batches.
 */
static inline bool folio_has_anon_pte_runs(struct folio *folio)
{
	return folio_has_pte_runs(folio) && folio_test_anon(folio);
}

/**
 * can_protect_ptes - Whether mprotect() can leave a run of PTEs to protect_ptes().
 * @vma: The VMA.
 * @cp_flags: MM_CP_* flags of the change.
 *
 * Context: Any.
 * Return: True if this kernel batches, the memory is private and anonymous, and
 *	the change is not one of NUMA balancing's or userfaultfd's.
 */
static inline bool can_protect_ptes(struct vm_area_struct *vma,
				    unsigned long cp_flags)
{
	return IS_ENABLED(CONFIG_LARGE_ANON_FOLIO) && vma_is_anonymous(vma) &&
	       !(cp_flags & ~MM_CP_TRY_CHANGE_WRITABLE);
}

int protect_ptes(struct mmu_gather *tlb, struct vm_area_struct *vma,
		 pte_t *pte, unsigned long addr, unsigned long end,
		 pgprot_t newprot, unsigned long cp_flags);
void remap_folio_by_ptes(struct folio *folio, struct mm_struct *mm,
			 unsigned long addr, pmd_t *pmd, pte_t entry,
			 bool exclusive, bool sole_writer);
int copy_folio_ptes(struct vm_area_struct *dst_vma,
		    struct vm_area_struct *src_vma, pte_t *dst_pte,
		    pte_t *src_pte, struct page *page, unsigned long addr,
		    unsigned long end);
int zap_folio_ptes(struct mmu_gather *tlb, struct vm_area_struct *vma,
		   pte_t *pte, struct page *page, unsigned long addr,
		   unsigned long end, bool *full);
int lazyfree_folio_ptes(struct mmu_gather *tlb, struct vm_area_struct *vma,
			pte_t *pte, struct page *page, unsigned long addr,
			unsigned long end);
bool reuse_folio_ptes(struct vm_fault *vmf, struct folio *folio);
int cold_folio_ptes(struct mmu_gather *tlb, struct vm_area_struct *vma,
		    pte_t *pte, struct page *page, unsigned long addr,
		    unsigned long end);

/**
 * count_mthp_stat - Add one to a counter of a folio size.
 * @order: Order of the folio.
 * @item: Which counter.
 *
 * Context: Any.
 */
static inline void count_mthp_stat(int order, enum mthp_stat_item item)
{
	mod_mthp_stat(order, item, 1);
}

#endif /* _LINUX_LARGE_ANON_FOLIO_H */
