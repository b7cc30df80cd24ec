#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
# coverage.pl lines TREE FILE: of what 'gcov --json-format --stdout' says of one object
# on the input, the lines of the kernel's FILE that count: all if it is new, else those
# of functions that changed since laf-base. Prints whether it ran, line, function, text;
# between tabs.
#
# coverage.pl sum TREE REASONS LEFT NAME=DIR...: for each kernel file NAME, whose folder
# DIR holds such lists of several runs: how many of its lines any has reached. The
# others are written to LEFT: file, line, function, text and the reason in REASONS.
use strict;
use warnings;
use JSON::PP;

my ($mode, $tree, @args) = @ARGV;

# What patches changed of a file, as [first line, last line]; all if it is new
sub changed {
	my ($file) = @_;
	my @ranges;

	open(my $diff, '-|', 'git', '-C', $tree, 'diff', '-U0', 'laf-base', '--', $file) or die;
	while (<$diff>) {
		return ([1, 1 << 30]) if /^new file/;
		next unless /^@@ -\S+ \+(\d+)(?:,(\d+))? @@/;
		# What only goes away does so between two lines
		my $nr = $2 // 1;
		push @ranges, [$1, $nr ? $1 + $nr - 1 : $1 + 1];
	}
	return @ranges;
}

sub lines {
	my ($file) = @_;
	my @ranges = changed($file);
	my (%function, %ran);

	open(my $in, '<', "$tree/$file") or die "$tree/$file: $!\n";
	chomp(my @text = <$in>);
	my $json = decode_json(do { local $/; <STDIN> });
	for my $f (grep { $_->{file} =~ /(?:^|\/)\Q$file\E$/ } @{$json->{files}}) {
		my %in;
		for my $fn (@{$f->{functions}}) {
			$in{$fn->{name}} = grep { $_->[0] <= $fn->{end_line} &&
						  $_->[1] >= $fn->{start_line} } @ranges;
		}
		for my $line (@{$f->{lines}}) {
			my $name = $line->{function_name} // next;
			next unless $in{$name};
			$function{$line->{line_number}} //= $name;
			$ran{$line->{line_number}} += $line->{count};
		}
	}
	for my $nr (sort { $a <=> $b } keys %ran) {
		(my $text = $text[$nr - 1] // '') =~ s/^\s+//;
		(my $name = $function{$nr}) =~ s/\..*//;
		print join("\t", $ran{$nr} ? 1 : 0, $nr, $name, $text), "\n";
	}
}

# The reason for a line: by its text in its function, or for all of the function
sub reason {
	my ($why, $file, $function, $text) = @_;

	return $why->{"$file\t$function\t$text"} // $why->{"$file\t$function\t*"};
}

sub sum {
	my ($reasons, $left, @files) = @_;
	my (%why, %because, $all, $all_ran, $unexplained);

	open(my $in, '<', $reasons) or die "$reasons: $!\n";
	while (<$in>) {
		chomp;
		my ($file, $function, $text, $reason) = split /\t/;
		$why{"$file\t$function\t$text"} = $reason unless /^#/ || !$reason;
	}
	open(my $out, '>', $left) or die "$left: $!\n";
	for (@files) {
		my ($file, $dir) = split /=/;
		my (%ran, %what);

		for my $list (glob "$dir/*") {
			open(my $in, '<', $list) or die "$list: $!\n";
			while (<$in>) {
				chomp;
				my ($ran, $nr, $rest) = split /\t/, $_, 3;
				$ran{$nr} |= $ran;
				$what{$nr} = $rest;
			}
		}
		my $nr = keys %ran or next;
		my @miss = sort { $a <=> $b } grep { !$ran{$_} } keys %ran;
		my $new = (changed($file))[0][1] == 1 << 30;
		printf "# %s%s: %d of %d lines, %.1f %%\n", $file, $new ? '' : ', changed functions',
		       $nr - @miss, $nr, 100 * ($nr - @miss) / $nr;
		$all += $nr;
		$all_ran += $nr - @miss;
		for (@miss) {
			my ($function, $text) = split /\t/, $what{$_}, 2;
			my $reason = reason(\%why, $file, $function, $text);

			$because{$reason}++ if defined $reason;
			$unexplained++ unless defined $reason;
			print $out join("\t", $file, $_, $function, $text,
					$reason // 'no reason is given'), "\n";
		}
	}
	return unless $all;
	printf "# in all: %d of %d lines, %.1f %%; the others, by reason:\n", $all_ran, $all,
	       100 * $all_ran / $all;
	printf "#   %4d %s\n", $because{$_}, $_
		for sort { $because{$b} <=> $because{$a} || $a cmp $b } keys %because;
	printf "#   %4d no reason is given\n", $unexplained if $unexplained;
}

$mode eq 'lines' ? lines(@args) : sum(@args);
